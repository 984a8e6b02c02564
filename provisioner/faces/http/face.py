"""Open the HTTP face, as wiring asks for it."""

from __future__ import annotations

from provisioner.config import ServerSettings
from provisioner.faces.http.server import HttpServer
from provisioner.services.provisioner import Provisioner


def open_face(provisioner: Provisioner, settings: ServerSettings) -> HttpServer:
    return HttpServer(provisioner, host=settings.host, port=settings.port)
