"""An agent of the OpenAI Agents SDK. Needs backstop-sdk[openai-agents] and DATABASE_URL."""

import itertools
import json

from agents import Agent, Model, ModelResponse, Runner, Usage, set_tracing_disabled
from openai.types.responses import ResponseFunctionToolCall, ResponseOutputMessage, ResponseOutputText
from telling import DATABASE_URL, TASK, next_step, tell

from backstop.openai_agents import Database, sql_tools

ARGUMENT = {"backstop_query": "sql", "backstop_wait": "ticket"}


class Scripted(Model):
    """In place of a model: leave `model=` out to have OpenAI's."""

    def __init__(self):
        self.ids = itertools.count(1)

    async def get_response(self, system_instructions, input, *_, **__):
        items = [] if isinstance(input, str) else input
        answers = [json.loads(i["output"]) for i in items if i.get("type") == "function_call_output"]
        what, argument = next_step(answers)
        return ModelResponse([self.output(what, argument)], Usage(), None)

    def output(self, what, argument):
        name = f"id-{next(self.ids)}"
        if what == "answer":
            content = [ResponseOutputText(text=argument, type="output_text", annotations=[])]
            return ResponseOutputMessage(id=name, content=content, role="assistant", status="completed", type="message")
        arguments = json.dumps({ARGUMENT[what]: argument})
        return ResponseFunctionToolCall(call_id=name, name=what, arguments=arguments, type="function_call")

    def stream_response(self, *_, **__):
        raise NotImplementedError


set_tracing_disabled(True)
agent = Agent(name="dba", tools=sql_tools(Database(DATABASE_URL, purpose=TASK)), model=Scripted())
tell("answer", text=Runner.run_sync(agent, TASK).final_output)
