output "arn" {
  description = "The function"
  value       = aws_lambda_function.this.arn
}

output "name" {
  description = "The function, by name"
  value       = aws_lambda_function.this.function_name
}

output "role" {
  description = "What it is, by name, for further policies"
  value       = aws_iam_role.this.name
}

output "security_group" {
  description = "What it is in"
  value       = aws_security_group.this.id
}
