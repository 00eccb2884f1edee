"""A crew of one. Needs backstop-sdk[crewai] and DATABASE_URL."""

import itertools
import json
import os

os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false", OTEL_SDK_DISABLED="true")

from crewai import Agent, BaseLLM, Crew, Task
from telling import DATABASE_URL, TASK, next_step, tell

from backstop.crewai import Database, sql_tools

ARGUMENT = {"backstop_query": "sql", "backstop_wait": "ticket"}
ids = itertools.count(1)


class Scripted(BaseLLM):
    """In place of a model."""

    def supports_function_calling(self):
        return True

    def call(self, messages, tools=None, *_, **__):
        answers = [json.loads(m["content"]) for m in messages if m["role"] == "tool"]
        what, argument = next_step(answers)
        if what == "answer":
            return argument
        arguments = json.dumps({ARGUMENT[what]: argument})
        function = {"name": what, "arguments": arguments}
        return [{"id": f"call-{next(ids)}", "type": "function", "function": function}]


tools = sql_tools(Database(DATABASE_URL, purpose=TASK))
dba = Agent(role="dba", goal="tidy tables", backstory="careful", tools=tools, llm=Scripted(model="scripted"))
crew = Crew(agents=[dba], tasks=[Task(description=TASK, expected_output="what was done", agent=dba)], tracing=False)
tell("answer", text=str(crew.kickoff()))
