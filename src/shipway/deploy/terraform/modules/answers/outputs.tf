output "security_group" {
  description = "What the function is in"
  value       = module.function.security_group
}

output "host" {
  description = "Where it answers"
  value       = var.host
}

output "arn" {
  description = "The function, for an API of yours"
  value       = module.function.arn
}
