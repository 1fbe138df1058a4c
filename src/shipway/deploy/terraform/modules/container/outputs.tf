output "definitions" {
  description = "The container definitions of a task, as JSON"
  value       = jsonencode([merge(local.definition, { for key, value in { healthCheck = local.health } : key => value if var.port != null })])
}

output "volumes" {
  description = "Volumes of the task that it mounts; they end with the task"
  value       = toset([for mount in local.definition.mountPoints : mount.sourceVolume])
}
