# An application that answers prompts from a function instead of a container: nothing waits for calls, and each call that
# comes while another is answered has a copy of its own. Another release is there at once, without a canary.

module "function" {
  source = "../function"

  name           = var.name
  handler        = "answer"
  image          = var.image
  environ        = merge(var.environ, { SHIPWAY_DEPLOYMENT = var.service.deployment, SHIPWAY_RELEASE = var.service.release })
  secret_arns    = { for name in var.service.secrets : name => var.secret_arns[name] }
  objects_policy = var.objects_policy
  vpc            = var.vpc
  subnets        = var.subnets
  key_arn        = var.key_arn
  alarm_topic    = var.alarm_topic
  timeout        = var.timeout
  at_once        = var.at_once
}

resource "aws_lb_target_group" "this" {
  name        = "${var.name}-calls"
  target_type = "lambda"
}

resource "aws_lambda_permission" "balancer" {
  statement_id  = "CallsOfTheLoadBalancer"
  action        = "lambda:InvokeFunction"
  function_name = module.function.name
  principal     = "elasticloadbalancing.amazonaws.com"
  source_arn    = aws_lb_target_group.this.arn
}

resource "aws_lb_target_group_attachment" "this" {
  target_group_arn = aws_lb_target_group.this.arn
  target_id        = module.function.arn

  depends_on = [aws_lambda_permission.balancer]
}

resource "aws_lb_listener_rule" "this" {
  listener_arn = var.listener_arn

  condition {
    host_header {
      values = [var.host]
    }
  }

  action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_cloudwatch_metric_alarm" "refused" {
  alarm_name          = "${var.name}-throttled"
  alarm_description   = "Calls of ${var.service.deployment} find ${var.at_once} others being answered, and are refused"
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = module.function.name }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}
