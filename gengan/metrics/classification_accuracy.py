"""Classification accuracy score: what generated images teach a classifier about real ones."""

import numpy as np

from gengan.metrics.consistency import accuracies_by_class
from gengan.metrics.family import CONDITIONAL, Family, Inputs, Meaning, Scores


def scores(inputs: Inputs) -> Scores:
  """Accuracy on held-out images of a classifier trained on generated ones alone (Ravuri and Vinyals 2019).

  As many images are generated as there are training images, all classes alike.

  Raises:
    ValueError: a class without an image among the held-out ones.
  """
  model, name = inputs.model, 'classification_accuracy_score'
  images, truth = model.images()
  accuracies_by_class(np.ones(len(truth)), truth, model.num_classes)  # refuses an empty class before any training
  labels = np.arange(model.num_train, dtype=np.int32) % model.num_classes
  classifier = model.train_classifier(model.draw(labels, inputs.seed), labels, inputs.seed)
  right = classifier(images)[0].argmax(axis=1) == truth
  return Scores(
    {name: float(right.mean())},
    by_class={name: accuracies_by_class(right, truth, model.num_classes)},
    setting=f'classification accuracy: {model.classifier_setting}',
  )


FAMILY = Family(
  scores,
  {
    'classification_accuracy_score': Meaning(
      'higher', 'accuracy on real images of a classifier trained on samples alone'
    )
  },
  needs=(CONDITIONAL,),
)
