"""The application: routes, limits and problems, put together."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from fastapi import FastAPI

from api.guard import Guard
from api.problems import Problem, add_problem_handlers
from api.routes import ROUTERS
from api.services import Services

_TAGS: Final = [
    {"name": "acts", "description": "签署件 / signed acts: the only way to change anything"},
    {"name": "deployment", "description": "部署信息 / chain, contracts, keys"},
    {"name": "registry", "description": "部门、人员、密钥 / departments, persons, keys"},
    {"name": "calendar", "description": "工作日历 / working days and due days"},
    {"name": "directory", "description": "目录链 / directory chain: entries"},
    {"name": "interfaces", "description": "接口链 / interface chain"},
    {"name": "sharing", "description": "共享链 / sharing chain: requests and grants"},
    {"name": "performance", "description": "部门绩效 / performance of departments"},
    {"name": "logs", "description": "访问日志与锚定 / access logs and their anchors"},
    {"name": "blocks", "description": "区块与见证 / blocks and witnesses"},
    {"name": "documents", "description": "公开文件 / public documents by digest"},
    {"name": "health", "description": "运行状态 / health"},
]
_DESCRIPTION: Final = (
    "政务数据共享账本的接口。写入只有一种方式：提交由经办人自己密钥签署的签署件；其余均为读取。"
    "错误按 RFC 9457 返回，code 固定不变，含义见 /errors。 / "
    "The ledger's HTTP API. There is one way to write: hand in an act that is signed with the keys "
    "of those who act; everything else reads. Errors follow RFC 9457 with a stable code; /errors "
    "lists them. Identifiers and digests are hex in lower case; times are unix seconds."
)


def create_app(services: Services) -> FastAPI:
    """Build the application.

    Args:
        services: what the routes serve.
    """
    app = FastAPI(
        title="三链 sanlian",
        summary="政务数据共享账本 / ledger for data sharing between government departments",
        description=_DESCRIPTION,
        version=_version(),
        openapi_tags=list(_TAGS),
        docs_url=None,  # the framework's pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        # Nothing leaves this machine because of an environment variable.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        generate_unique_id_function=lambda route: route.name,
        responses={
            "4XX": {"model": Problem, "description": "请求被拒绝 / the request was refused"},
            "5XX": {"model": Problem, "description": "服务异常 / the service failed"},
        },
    )
    app.state.services = services
    for router in ROUTERS:
        app.include_router(router)
    add_problem_handlers(app)
    app.add_middleware(Guard)
    _describe(app)
    return app


def _version() -> str:
    try:
        return version("sanlian")
    except PackageNotFoundError:  # run from a source tree that was not installed
        return "0"


def _describe(app: FastAPI) -> None:
    """Make the OpenAPI document say what is sent: problems, with their media type."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        fresh = app.openapi_schema is None
        document = generate()
        if fresh:
            for item in document["paths"].values():
                for operation in item.values():
                    for answer in operation["responses"].values():
                        if answer["description"] == "Successful Response":
                            answer["description"] = "成功 / done"
                    # This api answers invalid input with 400, which 4XX describes.
                    operation["responses"].pop("422", None)
                    for status in ("4XX", "5XX"):
                        answer = operation["responses"].get(status)
                        if answer is not None:
                            content = answer["content"]
                            content["application/problem+json"] = content.pop("application/json")
            schemas = document["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way
