variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "vpc" {
  description = "Where it stands"
  type        = string
}

variable "subnets" {
  description = "Private subnets in two zones at least"
  type        = list(string)
}

variable "clients" {
  description = "Networks that may ask, as in 10.0.0.0/16"
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate for the host names of the applications"
  type        = string
}

variable "tasks_security_group" {
  description = "What tasks are in"
  type        = string
}
