output "gate" {
  description = "What a service takes as its gate"
  value       = { function_arn = module.function.arn, role_arn = aws_iam_role.asks.arn }
}

output "security_group" {
  description = "What the function is in"
  value       = module.function.security_group
}
