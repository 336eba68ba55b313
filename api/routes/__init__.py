"""Routes, one module per noun."""

from api.routes import acts, deployment, health, pages

ROUTERS = (acts.router, deployment.router, health.router, pages.router)
