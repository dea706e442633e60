"""A torch model made at import, in each worker or before the fork; one thread."""

import torch

torch.set_num_threads(1)
model = torch.nn.Linear(1, 2)
with torch.no_grad():
    model.weight[:] = torch.tensor([[-4.0], [4.0]])
    model.bias[:] = torch.tensor([2.0, -2.0])


def main(context):
    with torch.inference_mode():
        mean = torch.from_numpy(context["image"]).float().mean() / 255
        scores = torch.softmax(model(mean.reshape(1, 1)), dim=1)[0]
    context["scores"] = scores.tolist()
    context["result"] = bool(scores[1] > 0.5)
