"""Run where a framework is: its tools as they are called by the framework itself. NAME, then JSON lines of answers."""

import asyncio
import json
import os
import sys

NAME = sys.argv[1]


def of_langgraph(database):
    from backstop.langgraph import sql_tools

    return {tool.name: lambda tool=tool, **args: tool.invoke(args) for tool in sql_tools(database)}


def of_llama_index(database):
    from backstop.llama_index import sql_tools

    return {tool.metadata.name: lambda tool=tool, **args: tool.call(**args).raw_output for tool in sql_tools(database)}


def of_crewai(database):
    from backstop.crewai import sql_tools

    return {tool.name: lambda tool=tool, **args: tool.run(**args) for tool in sql_tools(database)}


def of_openai_agents(database):
    from agents.tool_context import ToolContext

    from backstop.openai_agents import sql_tools

    def call(tool, args):
        text = json.dumps(args)
        context = ToolContext(None, tool_name=tool.name, tool_call_id="1", tool_arguments=text)
        return asyncio.run(tool.on_invoke_tool(context, text))

    return {tool.name: lambda tool=tool, **args: call(tool, args) for tool in sql_tools(database)}


def main():
    from backstop.tools import Database

    tools = globals()[f"of_{NAME}"](Database(os.environ["DATABASE_URL"]))
    query, wait = tools["backstop_query"], tools["backstop_wait"]

    def say(event, answer):
        print(json.dumps({"event": event, "answer": json.loads(answer)}), flush=True)
        return json.loads(answer)

    say("failed", query(sql="SELECT * FROM py.nothing"))
    say("blocked", query(sql="DELETE FROM py.secret"))
    held = say("held", query(sql="DELETE FROM py.orders"))
    say("waited", wait(ticket=held["ticket"]))
    say("ran", query(sql="DELETE FROM py.orders"))
    say("made up", wait(ticket="T-1"))


main()
