variable "name" {
  description = "What the container is called in its task"
  type        = string
}

variable "image" {
  description = "Repository and digest"
  type        = string
}

variable "command" {
  description = "The words after `shipway`"
  type        = list(string)
}

variable "port" {
  description = "Where it answers; null for what ends by itself"
  type        = number
  default     = null
}

variable "environ" {
  description = "Variables that are no secret"
  type        = map(string)
}

variable "secret_arns" {
  description = "Name of the variable to the secret"
  type        = map(string)
}

variable "log_group" {
  description = "Where it logs"
  type        = string
}

variable "region" {
  description = "Region of the log group"
  type        = string
}
