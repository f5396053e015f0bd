"""The deployed network: images to log-probabilities of leaves; NumPy does the rest."""

from torch import Tensor, nn

from ml.classifiers.classifier import Classifier


class LeafNetwork(nn.Module):
    """Maps images (batch, 3, side, side), uint8, to log-probabilities of leaves (batch, num_leaves), float32."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier.eval()

    def forward(self, images: Tensor) -> Tensor:
        scores = self.classifier(images)
        leaves = self.classifier.heads.leaf_scores(scores, self.classifier.template.depth_weights)
        return leaves.float().log_softmax(dim=1)
