# An application in an environment: tasks behind two target groups. A new release is a new version of the task definition;
# ECS starts it beside the old one, gives it a part of the traffic, waits, and takes all of it back when an alarm is heard.

locals {
  port   = 8080
  groups = toset(["blue", "green"])
}

module "container" {
  source = "../container"

  name        = var.service.kind
  image       = var.image
  command     = var.service.command
  port        = local.port
  environ     = var.environ
  secret_arns = { for name in var.service.secrets : name => var.secret_arns[name] }
  log_group   = var.log_group
  region      = var.region
}

# one release a version, and none is taken away: to return to a release is to name it again
resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.service.cpu
  memory                   = var.service.memory
  execution_role_arn       = var.execution_role_arn
  task_role_arn            = var.task_role_arn
  container_definitions    = module.container.definitions
  skip_destroy             = true

  dynamic "volume" {
    for_each = module.container.volumes

    content {
      name = volume.value
    }
  }

  tags = { release = replace(var.service.release, "sha256:", "") }
}

resource "aws_lb_target_group" "this" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; from there to a task it is one private network and one security group
  for_each = local.groups

  name                 = "${var.name}-${each.value}"
  target_type          = "ip"
  vpc_id               = var.vpc
  port                 = local.port
  protocol             = "HTTP"
  deregistration_delay = 60

  health_check {
    path                = "/readyz"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener_rule" "this" {
  listener_arn = var.listener_arn

  condition {
    host_header {
      values = [var.host]
    }
  }

  action {
    type = "forward"

    forward {
      dynamic "target_group" {
        for_each = aws_lb_target_group.this

        content {
          arn    = target_group.value.arn
          weight = target_group.key == "blue" ? 100 : 0
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [action] # ECS moves the weights
  }
}

resource "aws_ecs_service" "this" {
  name                  = var.name
  cluster               = var.cluster_arn
  task_definition       = aws_ecs_task_definition.this.arn
  desired_count         = var.service.workers
  launch_type           = "FARGATE"
  platform_version      = "LATEST"
  propagate_tags        = "SERVICE"
  wait_for_steady_state = true

  health_check_grace_period_seconds = var.service.start # it has to fetch and load a model first

  network_configuration {
    subnets          = var.subnets
    security_groups  = [var.tasks_security_group]
    assign_public_ip = false
  }

  load_balancer {
    container_name   = var.service.kind
    container_port   = local.port
    target_group_arn = aws_lb_target_group.this["blue"].arn

    advanced_configuration {
      alternate_target_group_arn = aws_lb_target_group.this["green"].arn
      production_listener_rule   = aws_lb_listener_rule.this.arn
      role_arn                   = aws_iam_role.traffic.arn
    }
  }

  deployment_controller {
    type = "ECS"
  }

  deployment_configuration {
    strategy             = "CANARY"
    bake_time_in_minutes = var.bake_minutes

    canary_configuration {
      canary_percent              = var.canary_percent
      canary_bake_time_in_minutes = var.canary_minutes
    }

    dynamic "lifecycle_hook" {
      for_each = var.gate[*]

      content {
        hook_target_arn  = lifecycle_hook.value.function_arn
        role_arn         = lifecycle_hook.value.role_arn
        lifecycle_stages = ["PRE_SCALE_UP", "PRE_PRODUCTION_TRAFFIC_SHIFT"]
        hook_details     = jsonencode({ deployment = var.service.deployment, release = var.service.release })
      }
    }
  }

  alarms {
    enable      = true
    rollback    = true
    alarm_names = [for alarm in local.of_traffic : alarm.alarm_name]
  }

  lifecycle {
    ignore_changes = [desired_count] # scaling moves it
  }

  # the provider waits for the whole rollout, both bakes included, and gives up after 20 minutes by itself
  timeouts {
    create = "2h"
    update = "2h"
  }

  depends_on = [aws_iam_role_policy.traffic]
}

resource "aws_appautoscaling_target" "this" {
  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${var.cluster_name}/${aws_ecs_service.this.name}"
  min_capacity       = var.service.workers
  max_capacity       = var.service.kind == "gateway" ? 1 : var.service.workers * 4 # a gateway counts its budgets by itself
}

resource "aws_appautoscaling_policy" "cpu" {
  name               = "${var.name}-cpu"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.this.service_namespace
  scalable_dimension = aws_appautoscaling_target.this.scalable_dimension
  resource_id        = aws_appautoscaling_target.this.resource_id

  target_tracking_scaling_policy_configuration {
    target_value = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}
