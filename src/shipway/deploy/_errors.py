"""What a compiler refuses."""

from __future__ import annotations

from shipway.kernel.errors import ShipwayError


class CannotExpress(ShipwayError):
    """A target has no words for what the spec asks; the message names the step or deployment and the target."""

    code = "deploy.cannot-express"


class NamesCollide(ShipwayError):
    """Two names of the project become one name of the target."""

    code = "deploy.names-collide"


class SecretLiteral(ShipwayError):
    """Something that looks like a secret would stand in a rendered file; it is not repeated here."""

    code = "deploy.secret-literal"


class NothingToRender(ShipwayError):
    """The project has nothing of the kind that a target renders."""

    code = "deploy.nothing-to-render"


class RenderedDiffers(ShipwayError):
    """Files on disk are not what the project renders now."""

    code = "deploy.rendered-differs"
