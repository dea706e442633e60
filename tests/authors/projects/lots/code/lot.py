"""State that all workers share, and that outlives them; each worker writes keys of its own, so that none is lost."""


def main(context, form):
    shared = context["globalData"]
    if context["image"].mean() < 100:
        context["result"] = False
        own = f"bad in {context['data']}, worker {context['worker']}"
        shared[own] = shared.get(own, 0) + 1
    bad = sum(count for key, count in shared.items() if key.startswith(f"bad in {context['data']},"))
    context["badParts"] = bad
    context["stopLot"] = bad >= form["bad_parts_that_stop_it"]
