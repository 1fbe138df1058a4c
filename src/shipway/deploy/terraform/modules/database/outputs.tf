output "endpoint" {
  description = "Host and port"
  value       = aws_db_instance.this.endpoint
}

output "password_secret" {
  description = "The secret with the password, which RDS keeps"
  value       = one(aws_db_instance.this.master_user_secret[*].secret_arn)
}
