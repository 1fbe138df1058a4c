output "machine_arns" {
  description = "Name to state machine"
  value       = { for name, machine in aws_sfn_state_machine.this : name => machine.arn }
}

output "task_definition_arn" {
  description = "What every step runs in"
  value       = aws_ecs_task_definition.step.arn
}
