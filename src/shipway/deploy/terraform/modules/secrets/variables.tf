variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "names" {
  description = "Names of the variables that are secrets"
  type        = list(string)
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}
