output "arn" {
  description = "The repository"
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "What `docker push` takes, without a tag"
  value       = aws_ecr_repository.this.repository_url
}
