"""A loop of its own for each frame."""

import asyncio


async def ask(number):
    await asyncio.sleep(0.05)
    return number * 10


async def ask_all():
    return await asyncio.gather(*(ask(number) for number in (1, 2, 3)))


def main(context):
    context["tens"] = asyncio.run(ask_all())
