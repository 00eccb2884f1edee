"""An agent of Pydantic AI, whose run ends while a human decides. Needs backstop-sdk[pydantic-ai] and DATABASE_URL."""

from pydantic_ai import Agent, DeferredToolRequests
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel
from telling import DATABASE_URL, TASK, next_step, tell

from backstop.pydantic_ai import Database, redeem, sql_tool


def scripted(messages, info):
    """In place of a model."""
    parts = [part for message in messages for part in message.parts]
    what, argument = next_step([part.content for part in parts if isinstance(part, ToolReturnPart)])
    return ModelResponse([TextPart(argument) if what == "answer" else ToolCallPart(what, {"sql": argument})])


database = Database(DATABASE_URL, purpose=TASK)
agent = Agent(FunctionModel(scripted), tools=[sql_tool(database)], output_type=[str, DeferredToolRequests])

result = agent.run_sync(TASK)
while isinstance(result.output, DeferredToolRequests):
    for call in result.output.calls:
        tell("held", ticket=result.output.metadata[call.tool_call_id]["ticket"])
    decided = redeem(database, result.output)  # or keep all_messages(), and come back when there is news
    result = agent.run_sync(message_history=result.all_messages(), deferred_tool_results=decided)
tell("answer", text=result.output)
