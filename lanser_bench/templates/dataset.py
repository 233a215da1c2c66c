"""A dataset of recordings whose names state speaker and label."""

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance, hookimpl


@hookimpl
def register_datasets(register):
    """Registers the dataset as `named-clips`."""
    register("named-clips", f"{__name__}:NamedClips")


class NamedClipsOptions(PluginOptions):
    """Options of the dataset."""

    language: str = "en"
    """ISO 639-1 code of the speech."""


class NamedClips(Dataset[NamedClipsOptions]):
    """Reads recordings named SPEAKER_LABEL_NUMBER.wav, such as anna_joy_03.wav."""

    Options = NamedClipsOptions
    version = "1"
    card = Card(
        title="Clips named by speaker and label",
        licence="state the licence of the recordings",
        citation="state whom to cite",
        taxonomy="ekman-6",
    )

    def utterances(self, root):
        """Yields the utterances, sorted by path."""
        named, ignored = [], []
        for path in sorted(root.rglob("*.wav")):
            parts = path.stem.split("_")
            named.append((path, *parts)) if len(parts) == 3 else ignored.append(path.name)
        if not named:
            raise DataError(f"{root} has no file named SPEAKER_LABEL_NUMBER.wav. Name its folder.")
        if ignored:
            self.notes.append(f"{len(ignored)} files with other names ignored: {ignored[0]} …")
        for path, speaker, label, _ in named:
            yield Utterance(
                id=path.relative_to(root).as_posix(),
                audio=path.absolute(),
                speaker=speaker,
                language=self.options.language,
                gold={label: 1.0},
            )
