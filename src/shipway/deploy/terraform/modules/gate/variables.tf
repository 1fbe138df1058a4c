variable "name" {
  description = "The function, as AWS takes it"
  type        = string
}

variable "image" {
  description = "Repository and digest"
  type        = string
}

variable "environ" {
  description = "Variables that are no secret"
  type        = map(string)
}

variable "secret_arns" {
  description = "Name of the variable to the secret: the catalogue, and the keys that count"
  type        = map(string)
}

variable "objects_policy" {
  description = "What working on the team's objects needs"
  type        = string
}

variable "vpc" {
  description = "Where it runs"
  type        = string
}

variable "subnets" {
  description = "Private subnets"
  type        = list(string)
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}

variable "at_once" {
  description = "How many services may ask at the same time"
  type        = number
  default     = 5
}

variable "disk" {
  description = "MiB of /tmp, which a release and what it consists of have to fit into; 10240 at most"
  type        = number
  default     = 10240
}
