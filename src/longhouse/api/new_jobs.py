"""New jobs from templates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from longhouse import job_templates, new_jobs
from longhouse.api.jobs import ParameterShown
from longhouse.api.replies import TheReplies
from longhouse.doors import TheCaller, TheHouse, needs
from longhouse.doors.routes import routes
from longhouse.job_templates import Template
from longhouse.new_jobs import Created, Wanted

router = routes(tags=["jobs"])


class AskedShown(ParameterShown):
    label: str
    hint: str
    example: str


class SecretAsked(BaseModel):
    key: str
    about: str
    required: bool


class TemplateShown(BaseModel):
    name: str
    title: str
    about: str
    description: str = Field(description="Of a job of this kind, if nobody writes another.")
    cron: str = Field(description="A schedule that fits.")
    parameters: list[AskedShown]
    secrets: list[SecretAsked] = Field(description="What a job of this kind reads; set them at `/api/secrets/{name}`.")
    code: str


class TemplateList(BaseModel):
    items: list[TemplateShown]


class JobWanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    template: str = Field(max_length=100)
    id: str = Field(max_length=100)
    description: str = Field("", max_length=4000)
    cron: str = Field("", max_length=1000, description="Neither this nor `every`: it is started by hand.")
    every: Annotated[int | None, Field(description="Seconds between two due times.")] = None
    timezone: str = Field("", max_length=100, description="Without one, the instance's.")
    params: dict[str, Any] = Field(default_factory=dict, max_length=100)
    text: bool = Field(False, description="The params are text, as a command line gives them.")
    enabled: bool = True
    dry_run: bool = Field(False, description="Check everything and change nothing.")


class JobMade(BaseModel):
    id: str
    commit: str | None = Field(description="Null after a dry run.")
    path: str
    code: str
    imports: str = Field(description="What the manifest begins with for it.")
    registration: str = Field(description="The call at the manifest's end.")


@router.get("/api/job-templates", dependencies=[Depends(needs("jobs:read"))])
def list_templates() -> TemplateList:
    """The templates that new jobs are made from, with what each asks for."""
    return TemplateList(items=[_template(each) for each in job_templates.TEMPLATES.values()])


@router.post(
    "/api/jobs",
    status_code=201,
    response_model=JobMade,
    responses={200: {"model": JobMade, "description": "A dry run"}},
    dependencies=[Depends(needs("jobs:write"))],
)
def create_job(body: JobWanted, house: TheHouse, caller: TheCaller, replies: TheReplies) -> Response:
    """A new job from a template: its file and its registration as one commit, loaded and scheduled."""
    given = body.model_dump(exclude={"dry_run", "every"})
    wanted = Wanted(**given, every="" if body.every is None else str(body.every))

    def act() -> tuple[int, BaseModel]:
        return 200 if body.dry_run else 201, _made(new_jobs.create(house, wanted, caller.by, dry_run=body.dry_run))

    return replies.once_slowly(act)


def _made(created: Created) -> JobMade:
    planned = created.planned
    return JobMade(
        id=planned.id,
        commit=created.edit.commit,
        path=planned.path,
        code=planned.code,
        imports=planned.lines.imports,
        registration=planned.lines.call,
    )


def _template(each: Template) -> TemplateShown:
    return TemplateShown(
        name=each.name,
        title=each.title,
        about=each.about,
        description=each.description,
        cron=each.cron,
        parameters=[
            AskedShown(
                name=asked.parameter.name,
                kind=asked.parameter.kind,
                required=asked.parameter.required,
                default=asked.parameter.default,
                choices=list(asked.parameter.choices),
                nullable=asked.parameter.nullable,
                label=asked.label,
                hint=asked.hint,
                example=asked.example,
            )
            for asked in each.asked
        ],
        secrets=[SecretAsked(key=secret.key, about=secret.about, required=secret.required) for secret in each.secrets],
        code=job_templates.code(each.name),
    )
