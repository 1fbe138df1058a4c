output "definitions" {
  description = "The container definitions of a task, as JSON"
  value       = jsonencode([var.port == null ? local.definition : merge(local.definition, { healthCheck = local.health })])
}

output "volumes" {
  description = "Volumes of the task that it mounts; they end with the task"
  value       = toset([for mount in local.definition.mountPoints : mount.sourceVolume])
}
