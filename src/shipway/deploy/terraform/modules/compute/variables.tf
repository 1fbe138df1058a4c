variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "vpc" {
  description = "Where tasks run"
  type        = string
}

variable "repository_arn" {
  description = "Where the image lies"
  type        = string
}

variable "bucket_arn" {
  description = "Where the team's objects lie"
  type        = string
}

variable "prefix" {
  description = "Below what in that bucket; empty, or ends with a slash"
  type        = string
}

variable "secret_arns" {
  description = "Name of the variable to the secret"
  type        = map(string)
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "log_days" {
  description = "How long logs of tasks are kept"
  type        = number
  default     = 365
}
