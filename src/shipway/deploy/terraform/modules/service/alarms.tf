# What takes a new release back while its traffic grows, and what is heard at any other time.

locals {
  of_traffic = concat(values(aws_cloudwatch_metric_alarm.failed), values(aws_cloudwatch_metric_alarm.slow))
}

resource "aws_cloudwatch_metric_alarm" "failed" {
  for_each = local.groups

  alarm_name          = "${var.name}-${each.value}-failed"
  alarm_description   = "More than ${var.failed_a_minute} answers a minute of ${var.service.deployment} were 5xx"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "HTTPCode_Target_5XX_Count"
  dimensions          = { LoadBalancer = var.balancer_dimension, TargetGroup = aws_lb_target_group.this[each.value].arn_suffix }
  statistic           = "Sum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.failed_a_minute
  period              = 60
  evaluation_periods  = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}

resource "aws_cloudwatch_metric_alarm" "slow" {
  for_each = local.groups

  alarm_name          = "${var.name}-${each.value}-slow"
  alarm_description   = "One answer in a hundred of ${var.service.deployment} takes longer than ${var.slow_seconds} s"
  namespace           = "AWS/ApplicationELB"
  metric_name         = "TargetResponseTime"
  dimensions          = { LoadBalancer = var.balancer_dimension, TargetGroup = aws_lb_target_group.this[each.value].arn_suffix }
  extended_statistic  = "p99"
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.slow_seconds
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic]
  ok_actions          = [var.alarm_topic]
}
