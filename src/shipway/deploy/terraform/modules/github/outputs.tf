output "role_arn" {
  description = "SHIPWAY_ROLE_ARN"
  value       = aws_iam_role.this.arn
}
