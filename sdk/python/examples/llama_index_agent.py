"""An agent of LlamaIndex. Needs backstop-sdk[llama-index] and DATABASE_URL."""

import asyncio
import itertools
import json

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata, MessageRole
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from telling import DATABASE_URL, TASK, next_step, tell

from backstop.llama_index import Database, sql_tools

ARGUMENT = {"backstop_query": "sql", "backstop_wait": "ticket"}
ids = itertools.count(1)


class Scripted(FunctionCallingLLM):
    """In place of a model."""

    @property
    def metadata(self):
        return LLMMetadata(is_function_calling_model=True, is_chat_model=True)

    def chat(self, messages, **_):
        answers = [json.loads(m.content) for m in messages if m.role == MessageRole.TOOL]
        what, argument = next_step(answers)
        if what == "answer":
            return ChatResponse(message=ChatMessage(role="assistant", content=argument))
        call = ToolSelection(tool_id=f"call-{next(ids)}", tool_name=what, tool_kwargs={ARGUMENT[what]: argument})
        return ChatResponse(message=ChatMessage(role="assistant", content="", additional_kwargs={"calls": [call]}))

    async def achat(self, messages, **more):
        return await asyncio.to_thread(self.chat, messages, **more)

    def _prepare_chat_with_tools(self, tools, user_msg=None, chat_history=None, **_):
        return {"messages": chat_history or []}

    def get_tool_calls_from_response(self, response, **_):
        return response.message.additional_kwargs.get("calls", [])

    def complete(self, *_, **__):
        raise NotImplementedError

    acomplete = stream_complete = astream_complete = stream_chat = astream_chat = complete


async def main():
    tools = sql_tools(Database(DATABASE_URL, purpose=TASK))
    agent = FunctionAgent(tools=tools, llm=Scripted(), streaming=False)
    tell("answer", text=str(await agent.run(TASK)))


asyncio.run(main())
