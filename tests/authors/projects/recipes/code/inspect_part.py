"""The part that the client names in `data` against its row of the list."""

from limits import limits_of


def main(context):
    least, most = limits_of(context["dataFolder"], context["data"])
    level = float(context["image"].mean())
    context["level"] = level
    context["limits"] = [least, most]
    context["result"] = least <= level <= most
