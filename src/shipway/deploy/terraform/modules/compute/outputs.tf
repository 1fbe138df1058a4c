output "cluster_arn" {
  description = "The cluster"
  value       = aws_ecs_cluster.this.arn
}

output "cluster_name" {
  description = "The cluster, by name"
  value       = aws_ecs_cluster.this.name
}

output "security_group" {
  description = "What tasks are in"
  value       = aws_security_group.tasks.id
}

output "execution_role_arn" {
  description = "Starts containers"
  value       = aws_iam_role.execution.arn
}

output "task_role_arn" {
  description = "What runs in them is"
  value       = aws_iam_role.task.arn
}

output "log_group" {
  description = "Where tasks log"
  value       = aws_cloudwatch_log_group.this.name
}

output "objects_policy" {
  description = "What working on the team's objects needs, for other roles that do"
  value       = local.objects
}
