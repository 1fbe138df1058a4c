# Shipway's gate as the function that ECS asks before a new release starts, and before it gets traffic. It reads every byte
# of the release, and who may go live by the keys of SHIPWAY_TRUST.

data "aws_caller_identity" "current" {}

module "function" {
  source = "../function"

  name           = var.name
  handler        = "gate"
  image          = var.image
  environ        = var.environ
  secret_arns    = var.secret_arns
  objects_policy = var.objects_policy
  vpc            = var.vpc
  subnets        = var.subnets
  key_arn        = var.key_arn
  alarm_topic    = var.alarm_topic
  timeout        = 900
  at_once        = var.at_once
  disk           = var.disk
}

# who asks: ECS, in the name of this role
resource "aws_iam_role" "asks" {
  name = "${var.name}-asks"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "asks" {
  name = "ask-the-gate"
  role = aws_iam_role.asks.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "AskTheGate"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = [module.function.arn, "${module.function.arn}:*"]
    }]
  })
}
