# A function of AWS Lambda from the image that everything runs in: another entry point, the same user's code, secrets that it
# reads by itself. Its disk is /tmp alone, and gone when AWS takes it away.

locals {
  home = "/tmp"

  variables = {
    HOME               = local.home
    SHIPWAY_CACHE      = "${local.home}/cache"
    SHIPWAY_CACHE_SIZE = "${floor(var.disk / 2)}Mi"
    SHIPWAY_SECRETS    = jsonencode(var.secret_arns)
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/shipway/${var.name}"
  retention_in_days = var.log_days
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:what calls it asynchronously has a dead-letter queue of its own; others are answered
  #checkov:skip=CKV_AWS_272:Lambda signs archives of code; an image is named by its digest
  function_name                  = var.name
  role                           = aws_iam_role.this.arn
  package_type                   = "Image"
  image_uri                      = var.image
  architectures                  = [var.architecture]
  timeout                        = var.timeout
  memory_size                    = var.memory
  reserved_concurrent_executions = var.at_once
  kms_key_arn                    = var.key_arn

  image_config {
    entry_point       = ["/opt/shipway/venv/bin/python", "-m", "awslambdaric"]
    command           = ["shipway.cli.functions.${var.handler}"]
    working_directory = "/app"
  }

  environment {
    variables = merge(var.environ, local.variables)
  }

  ephemeral_storage {
    size = var.disk
  }

  vpc_config {
    subnet_ids         = var.subnets
    security_group_ids = [aws_security_group.this.id]
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.this.name
  }

  tracing_config {
    mode = "PassThrough"
  }

  lifecycle {
    precondition {
      condition     = can(regex("\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com", var.image))
      error_message = "A function takes its image from ECR alone: push it to the registry that is made here, and render with --image."
    }
  }

  depends_on = [aws_iam_role_policy.this, aws_iam_role_policy_attachment.network]
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "The function ${var.name}"
  vpc_id      = var.vpc
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "AWS and the providers of models"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  alarm_name          = "${var.name}-failed"
  alarm_description   = "Calls of the function ${var.name} fail again and again"
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.this.function_name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}
