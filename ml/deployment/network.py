"""The network that is deployed: from pictures to log-probabilities of leaves, all else being arithmetic behind it."""

from torch import Tensor, nn

from ml.classifiers.classifier import Classifier


class LeafNetwork(nn.Module):
    """Pictures (batch, 3, side, side), uint8, to log-probabilities of leaves (batch, num_leaves), float32."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier.eval()

    def forward(self, pictures: Tensor) -> Tensor:
        scores = self.classifier(pictures)
        leaves = self.classifier.heads.leaf_scores(scores, self.classifier.template.depth_weights)
        return leaves.float().log_softmax(dim=1)
