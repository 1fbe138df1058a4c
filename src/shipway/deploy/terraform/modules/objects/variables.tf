variable "bucket" {
  description = "The bucket of `targets.objects`"
  type        = string
}

variable "key_arn" {
  description = "The key of the project"
  type        = string
}

variable "keep_deleted_days" {
  description = "How long what was deleted can be brought back"
  type        = number
  default     = 90
}
