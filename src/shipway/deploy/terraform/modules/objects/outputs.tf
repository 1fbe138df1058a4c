output "arn" {
  description = "The bucket"
  value       = aws_s3_bucket.this.arn
}

output "name" {
  description = "The bucket, by name"
  value       = aws_s3_bucket.this.bucket
}
