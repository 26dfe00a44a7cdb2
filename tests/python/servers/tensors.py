"""A server that gets and sends tensors in all the ways there are; the framework is in $FRAMEWORK."""

import os

from tech_renaissance import TechRenaissanceServer


class TensorServer(TechRenaissanceServer):
    """Each command is a method."""

    framework = os.environ.get("FRAMEWORK") or None
    kept = None

    def main_logic(self, command, parameters):
        """Looks the method up."""
        method = getattr(self, "do_" + command, None)
        return False if method is None else method(parameters)

    def do_echo(self, parameters):
        self.send_tensors(*self.get_tensors(parameters, None))
        return True

    def do_describe(self, parameters):
        x = self.get_tensors(parameters, 1)
        self.write_response("describe", f"{type(x).__module__} {x.dtype} {tuple(x.shape)}")
        return True

    def do_write_to_input(self, parameters):
        x = self.get_tensors(parameters, 1)
        x += 1
        self.send_tensors(x)
        return True

    def do_keep(self, parameters):
        self.kept = self.get_tensors(parameters, 1)
        return True

    def do_kept(self, parameters):
        self.send_tensors(self.kept)
        return True

    def do_stream(self, parameters):
        import numpy

        for number in range(int(parameters)):
            self.stream_tensors(numpy.full(10, float(number)))
        return True

    def do_gpu(self, parameters):
        """Tensors of a GPU, in shapes that a copy has to put right."""
        import torch

        base = torch.arange(60_000, dtype=torch.float32, device="cuda").reshape(200, 300)
        small = torch.tensor([[1 - 2j, 3 + 4j]], device="cuda")
        self.send_tensors(base, base.t(), base.requires_grad_() * 2, small.conj(), base > 1, base[:0], base.bfloat16())
        return True

    def do_odd(self, parameters):
        """Tensors that are not plain memory."""
        import torch

        base = torch.arange(6, dtype=torch.float32).reshape(2, 3)
        self.send_tensors(
            base.t(),
            base.clone().requires_grad_(),
            torch.nn.Parameter(base[:, ::2]),
            torch.tensor([1 + 2j, 3 - 4j]).conj(),
            torch.tensor([1 + 2j, 3 - 4j]).conj().imag,
            base[0].expand(2, 3),
        )
        return True

    def do_refused(self, parameters):
        import torch

        self.send_tensors({"sparse": torch.eye(2).to_sparse(), "meta": torch.empty(2, device="meta")}[parameters])
        return True

    def do_numpy_odd(self, parameters):
        import numpy

        base = numpy.arange(6, dtype="float32").reshape(2, 3)
        self.send_tensors(
            base.T, base.astype(">f4"), base[:, ::-1], numpy.asfortranarray(base), numpy.float64(2.5), base[::2, ::2]
        )
        return True

    def do_numpy_refused(self, parameters):
        import numpy

        self.send_tensors(
            {
                "object": numpy.array([None]),
                "text": numpy.array(["a"]),
                "masked": numpy.ma.masked_array([1, 2], [True, False]),
            }[parameters]
        )
        return True


if __name__ == "__main__":
    TensorServer().run()
