# Where secrets lie, and none of them: a value is put in by a person or a pipeline of yours, and is in no state file.
#   aws secretsmanager put-secret-value --secret-id PROJECT/NAME --secret-string file:///dev/stdin

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:keys of providers are changed where they were made; the database's own password rotates by itself
  for_each = toset(var.names)

  name                    = "${var.name}/${each.value}"
  description             = "${each.value} of ${var.name}, as a variable of its containers"
  kms_key_id              = var.key_arn
  recovery_window_in_days = 30
}
