"""``/docs``: Swagger UI out of a package of its own, nothing from elsewhere."""

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

PATH = "/docs"
_ASSETS = f"{PATH}/assets"


def add_docs(app: FastAPI) -> None:
    """Put the page and its assets into ``app``, which must have been made with ``docs_url=None``."""
    app.mount(_ASSETS, StaticFiles(directory=swagger_ui_path), name="docs-assets")
    page: HTMLResponse = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=f"{app.title} API",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon-32x32.png",
    )

    @app.get(PATH, include_in_schema=False)
    async def docs() -> HTMLResponse:
        return page
