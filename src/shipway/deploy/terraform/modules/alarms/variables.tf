variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "mail" {
  description = "Addresses that are written to; each has to confirm"
  type        = list(string)
  default     = []
}
