output "security_group" {
  description = "What the function is in"
  value       = module.function.security_group
}

output "queue_arn" {
  description = "Where notifications of buckets go"
  value       = aws_sqs_queue.this.arn
}

output "dead_queue_url" {
  description = "Where messages are that failed"
  value       = aws_sqs_queue.dead.url
}
