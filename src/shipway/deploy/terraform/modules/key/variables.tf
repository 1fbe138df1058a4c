variable "name" {
  description = "The project, as AWS takes it"
  type        = string
}
