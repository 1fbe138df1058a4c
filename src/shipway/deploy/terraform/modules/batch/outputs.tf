output "queue_arn" {
  description = "Where jobs are submitted"
  value       = aws_batch_job_queue.this.arn
}

output "job_definitions" {
  description = "Step to job definition"
  value       = { for name, job in aws_batch_job_definition.step : name => job.arn }
}
