variable "name" {
  description = "The repository"
  type        = string
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}
