output "arns" {
  description = "Name of the variable to the secret"
  value       = { for name, secret in aws_secretsmanager_secret.this : name => secret.arn }
}
