output "task_definition_arn" {
  description = "The version with this release"
  value       = aws_ecs_task_definition.this.arn
}

output "host" {
  description = "Where it answers"
  value       = var.host
}
