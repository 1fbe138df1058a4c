variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}

variable "vpc" {
  description = "Where it lies"
  type        = string
}

variable "subnets" {
  description = "Private subnets in two zones at least"
  type        = list(string)
}

variable "clients" {
  description = "What may connect, by what it is: security groups"
  type        = map(string)
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "alarm_topic" {
  description = "Where alarms go"
  type        = string
}

variable "postgres" {
  description = "Major version"
  type        = string
  default     = "17"
}

variable "instance_class" {
  description = "Machine of the database"
  type        = string
  default     = "db.t4g.medium"
}

variable "storage_gib" {
  description = "Storage to begin with; it grows up to four times that"
  type        = number
  default     = 50
}

variable "multi_az" {
  description = "A second machine in another zone that takes over"
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "How far back the database can be taken"
  type        = number
  default     = 14
}
