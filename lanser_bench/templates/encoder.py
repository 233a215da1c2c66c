"""A trainable encoder: one convolution over log-mel frames."""

from lanser_bench import Frontend, PluginOptions, TrainableEncoder, hookimpl


@hookimpl
def register_encoders(register):
    """Registers the encoder as `convolution`."""
    register("convolution", f"{__name__}:Convolution")


class ConvolutionOptions(PluginOptions):
    """Options of the encoder."""

    width: int = 32
    """Values per frame."""


class Convolution(TrainableEncoder[ConvolutionOptions]):
    """Convolves over five frames; padding does not change true frames."""

    Options = ConvolutionOptions
    version = "1"
    libraries = ("torch",)

    @property
    def frontend(self):
        """The input: 64 log-mel bins every 10 ms."""
        return Frontend(kind="logmel", n_mels=64)

    def build(self, seed):
        """Returns the module with weights drawn from `seed`."""
        import torch  # inside the method: computing keys imports this file

        class Module(torch.nn.Module):
            def __init__(self, width):
                super().__init__()
                self.convolution = torch.nn.Conv1d(64, width, kernel_size=5, padding=2)

            def forward(self, features, frames):
                true = torch.arange(features.shape[1]) < frames[:, None]
                scaled = (features + 15) / 5 * true[:, :, None]  # padding is 0, as at the edges
                values = self.convolution(scaled.transpose(1, 2)).relu().transpose(1, 2)
                return [(values, frames)]

        with torch.random.fork_rng(devices=[]):  # the global generator stays as it was
            torch.manual_seed(seed)
            return Module(self.options.width)
