output "repository" {
  description = "Where the image is pushed"
  value       = module.registry.url
}

output "database" {
  description = "Host and port, and the secret with the password of the user shipway; SHIPWAY_CATALOGUE is made of them"
  value       = { endpoint = module.database.endpoint, password_secret = module.database.password_secret }
}

output "balancer" {
  description = "What host names of applications are an alias of"
  value       = one(module.balancer[*].dns_name)
}

output "hosts" {
  description = "Where applications answer"
  value       = { for name, application in merge(module.service, module.answers) : name => application.host }
}

output "machines" {
  description = "State machines of the pipeline"
  value       = one(module.pipeline[*].machine_arns)
}

output "documents" {
  description = "The queue that notifications of buckets go to, and the one with messages that failed"
  value       = one([for documents in module.documents : { queue = documents.queue_arn, dead = documents.dead_queue_url }])
}

output "github_role" {
  description = "SHIPWAY_ROLE_ARN of the repository's environments"
  value       = one(module.github[*].role_arn)
}
