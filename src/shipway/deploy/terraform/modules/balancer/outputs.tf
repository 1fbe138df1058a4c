output "listener_arn" {
  description = "Where applications add their rule"
  value       = aws_lb_listener.https.arn
}

output "dimension" {
  description = "What CloudWatch calls it"
  value       = aws_lb.this.arn_suffix
}

output "dns_name" {
  description = "What host names of applications are an alias of"
  value       = aws_lb.this.dns_name
}
